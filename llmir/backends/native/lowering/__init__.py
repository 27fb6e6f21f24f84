"""From the `vk` level to the `llvm` dialect: what each operation becomes, by subject."""
