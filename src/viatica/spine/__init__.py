"""The spine carries facts and messages between the house and the outside. It knows no business word."""
