"""The page on which texts are seen being written: files, and what they ask of the server."""
