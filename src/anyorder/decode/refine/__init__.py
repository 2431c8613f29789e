"""Write everything as a draft, then again what is least sure: several calls over all cells."""
