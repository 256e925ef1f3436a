"""What happened between two systems, and who must look."""
