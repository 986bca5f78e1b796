"""Click segmentation."""
