"""A slide's cells in the formats that others read, one file a format.

Every writer takes cells in chunks and gives bytes in chunks, so that nothing is held whole.
"""
