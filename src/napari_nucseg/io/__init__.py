"""Reading and writing of image files."""
