"""A slide's detections in the formats that others read, one file a format.

Every writer takes detections in chunks and gives bytes in chunks, so that nothing is held whole.
"""
