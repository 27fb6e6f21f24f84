"""Parts of `convert-llm-to-kernel`: a program's functions as phases of kernel steps."""
