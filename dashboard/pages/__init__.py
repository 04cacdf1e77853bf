"""Pages of the dashboard, one a file, each with `layout` and `register`."""
