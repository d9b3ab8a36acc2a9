"""Each kind of file that the table of products lists is read right after the lines listed there."""

import pytest

from tests.door.files import FILES, MONTHLY
from tests.door.reading import against_truth, prepared
from tests.door.truth import truth
from xsm.data.naming import PRODUCTS, products_of

TOO_FEW = {"satellite_soil_moisture", "soil_moisture"}


@pytest.mark.parametrize("lazy", [False, True], ids=["in memory", "lazy"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_right(name, lazy):
    product, kind, make = FILES[name]
    ds = make(truth())
    roles = against_truth(prepared(ds.chunk() if lazy else ds, product, kind), truth().over(24))
    assert roles & TOO_FEW or name == "GLEAM"


@pytest.mark.parametrize("name", FILES | MONTHLY)
def test_a_product_is_recognised(name):
    product, _, make = (FILES | MONTHLY)[name]
    days = 4 if name in FILES else 121
    assert product in products_of(make(truth(days, start="2020-01-01")))


@pytest.mark.parametrize("name", MONTHLY)
def test_a_monthly_file_is_read_right(name):
    product, kind, make = MONTHLY[name]
    true = truth(121, start="2020-01-01")
    against_truth(prepared(make(true), product, kind), true.months())


@pytest.mark.parametrize("product", [key for key, p in PRODUCTS.items() if p.files])
def test_a_kind_of_file_needs_one_line(product):
    for line in PRODUCTS[product].files.values():
        assert line.count("\n") == 0
        assert line.count(";") == 0
