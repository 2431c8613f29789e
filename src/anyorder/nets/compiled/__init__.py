"""The native networks as compiled code: the same bits for a cell, however the call is cut."""
