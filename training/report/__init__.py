"""How good a model is: metrics, robustness, comparison, and the page that shows them."""
