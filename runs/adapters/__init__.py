"""One callback a framework (lightning, huggingface, skorch); each module needs its library, this package needs none."""
