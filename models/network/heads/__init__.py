"""Detection heads that mmdet lacks, one a file."""
