"""What sources give: weights as plain arrays, and what a host must know of them."""
