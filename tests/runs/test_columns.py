import numpy as np
import pyarrow as pa
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.columns import column_of, joined, matrix, to_table, typed, widest


def table_of(rows, columns=None):
    columns = {} if columns is None else columns
    return to_table([typed(row, columns) for row in rows], columns)


def test_every_column_has_the_type_of_the_contract():
    row = {
        "iteration": 3,
        "epoch": 1,
        "wall_time": 2.5,
        "loss": 0.5,
        "learning_rate": 1e-3,
        "gradient_norm_total": np.float64(2.0),
        "skipped": True,
        "gradient_norm": np.array([1.0, 2.0]),
        "lwlrap": [0.5, float("nan")],
        "values": b"\x00\x01",
        "note": "x",
    }
    kinds = {name: str(table_of([row]).schema.field(name).type) for name in row}
    assert kinds == {
        "iteration": "int64",
        "epoch": "int32",
        "wall_time": "double",
        "loss": "float",
        "learning_rate": "float",
        "gradient_norm_total": "float",
        "skipped": "bool",
        "gradient_norm": "list<element: float>" if "element" in kinds["gradient_norm"] else "list<item: float>",
        "lwlrap": kinds["gradient_norm"],
        "values": "binary",
        "note": "string",
    }


def test_what_a_row_lacks_is_nan_and_never_null_or_zero():
    rows = [
        {"iteration": 0, "rho": 0.5, "gradient_norm": [1.0, 2.0], "skipped": True, "values": b"a"},
        {"iteration": 1, "rho": None, "gradient_norm": None},
    ]
    table = table_of(rows)
    assert all(column.null_count == 0 for column in table.columns)
    assert np.isnan(table.column("rho")[1].as_py())
    assert np.isnan(table.column("gradient_norm")[1].as_py()).tolist() == [True, True]


def test_a_column_that_only_held_none_has_no_type_yet():
    columns = {}
    table_of([{"iteration": 0, "gradient_norm": None}], columns)
    assert "gradient_norm" not in columns
    typed({"iteration": 1, "gradient_norm": [1.0]}, columns)
    assert pa.types.is_list(columns["gradient_norm"].kind)


@pytest.mark.parametrize("value", [1e300, 2**25 + 1, np.float64(3), np.array(2.0), True, np.int64(7)])
def test_any_number_fits_a_scalar_column(value):
    column = table_of([{"iteration": 0, "loss": value}]).column("loss")
    assert column.type == pa.float32()
    with np.errstate(over="ignore"):
        assert column[0].as_py() == np.float32(float(value))


def test_a_loss_beyond_float32_is_infinite_and_not_an_error():
    assert table_of([{"iteration": 0, "loss": 1e300, "norms": [1e300]}]).column("norms")[0].as_py() == [np.inf]


@pytest.mark.parametrize(
    ("first", "then"), [(1.0, [1.0]), ([1.0], "x"), ("x", 1.0), (b"x", "x"), (1.0, "x"), (1.0, {}), ([1.0], ["a"])]
)
def test_a_value_of_another_type_is_refused_with_column_value_and_iteration(first, then):
    columns = {}
    typed({"iteration": 0, "rho": first}, columns)
    before = dict(columns)
    with pytest.raises(RunError, match=r"column 'rho' holds .* cannot take .* iteration 1\); give"):
        typed({"iteration": 1, "rho": then, "new": 1.0}, columns)
    assert columns == before


def test_a_row_is_copied_so_that_its_arrays_may_change_afterwards():
    norms = np.ones(3, dtype=np.float32)
    row = typed({"iteration": 0, "gradient_norm": norms}, {})
    norms[:] = 9
    assert row["gradient_norm"].tolist() == [1, 1, 1]


def test_tables_that_lack_columns_are_joined_with_nan():
    columns = {}
    first = table_of([{"iteration": 0, "loss": 1.0}], columns)
    second = table_of([{"iteration": 1, "loss": 2.0, "rho": 0.5, "lwlrap": [0.1, 0.2]}], columns)
    both = joined([first, second], columns)
    assert all(column.null_count == 0 for column in both.columns)
    assert np.isnan(both.column("rho").to_numpy()).tolist() == [True, False]
    np.testing.assert_array_equal(matrix(both.column("lwlrap"), 2)[0], [np.nan, np.nan])


def test_a_matrix_is_the_lists_padded_with_nan():
    kind = pa.list_(pa.float32())
    column = pa.chunked_array([pa.array([[9, 9], [1, 2], [3]], kind).slice(1), pa.nulls(1, kind), pa.array([[]], kind)])
    expected = [[1, 2, np.nan], [3, np.nan, np.nan], [np.nan] * 3, [np.nan] * 3]
    np.testing.assert_array_equal(matrix(column, 3), np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(matrix(column, 1)[:, 0], [1, 3, np.nan, np.nan])
    assert matrix(pa.chunked_array([], type=kind), 2).shape == (0, 2)
    assert (widest(column), widest(pa.chunked_array([], type=kind))) == (2, 0)


def test_values_survive_the_way_through_a_table():
    random = np.random.default_rng(0)
    lists = [random.standard_normal(5).astype(np.float32) for _ in range(7)]
    table = table_of([{"iteration": index, "norms": values} for index, values in enumerate(lists)])
    np.testing.assert_array_equal(matrix(table.column("norms"), 5), np.stack(lists))


def test_a_zero_dimensional_array_is_a_number():
    assert column_of("rho", np.array(1.0)).kind == pa.float32()
