"""Data construction (section 3.1 of the paper): seeds and generation prompts in, responses of a backbone LLM out."""
