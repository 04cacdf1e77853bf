"""Columns of tables whose columns may be absent."""

import pandas as pd


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as floats; empty where the table lacks it, NaN where it was not recorded."""
    return pd.Series(table[name], dtype=float) if name in table else pd.Series(dtype=float)
