"""Speed, shown against the other ways in the same run on the same lab, as a ratio."""
