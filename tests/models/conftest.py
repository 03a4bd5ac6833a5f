"""mmdet can only be imported once the stand-in for mmcv's compiled extension is in place."""

import warnings
from importlib import import_module

from models.network.mmcv.extension import supply_missing_extension

supply_missing_extension()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import_module("mmdet.models")
