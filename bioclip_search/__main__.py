"""`python -m bioclip_search` is `bioclip-search`."""

from bioclip_search.cli import main

main()
