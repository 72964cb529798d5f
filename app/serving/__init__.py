"""Between HTTP and the core: which models are loaded, who may enter, and what runs together."""
