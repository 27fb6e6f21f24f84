"""Machine code through LLVM: the fast backend."""
