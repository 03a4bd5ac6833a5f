"""Detection heads that mmdet lacks, each in its own file."""
