"""The Dash application: pure figures, pages, app."""
