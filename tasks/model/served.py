"""The loader that versions registered before `tasks.model.serving.pyfunc` name; MLflow imports it by this path."""

from tasks.model.serving.pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
