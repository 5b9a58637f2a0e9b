# Frozen, as on a board: asyncio. Nothing else.
include("$(MPY_DIR)/extmod/asyncio")
