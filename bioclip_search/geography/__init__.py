"""What a place says about the taxa that may live there: hard rules by country and region, and a soft prior from records.

place ─┬ fence_file ─ geofence, keys (rules of a country: allowed or blocked)      ┐
       ├ distribution (countries that an index itself tells)                       ├ locality ─ comparing (with and without)
       └ records ─ resolving ─ occurrences, smoothing (records: how much likelier) ┘
"""

from bioclip_search.geography.geofence import Fenced, Geofence
from bioclip_search.geography.place import Place

__all__ = ["Fenced", "Geofence", "Place"]
