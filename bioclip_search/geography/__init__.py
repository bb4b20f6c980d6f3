"""What a place says about the taxa that may live there: hard rules by country and region, and a soft prior from records.

place ─ geofence (rules: allowed or blocked) ─ fence_file (its two forms)
      └ occurrences (a table of records) ─ reading, resolving (its rows and names) ─ prior (how much likelier each taxon is)
"""

from bioclip_search.geography.geofence import Fenced, Geofence
from bioclip_search.geography.place import Place

__all__ = ["Fenced", "Geofence", "Place"]
