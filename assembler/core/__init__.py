"""What every room uses: problems and errors, tensor types, names, and files read and written with care."""
