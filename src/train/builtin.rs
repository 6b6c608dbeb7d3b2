//! The recipes inside the binary.

/// A recipe inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltinRecipe {
    /// Name.
    pub name: &'static str,
    /// TOML text.
    pub text: &'static str,
}

/// All built-in recipes; the first one is the default.
pub const fn builtin_recipes() -> &'static [BuiltinRecipe] {
    &[
        BuiltinRecipe { name: "digits", text: include_str!("../../assets/recipes/digits.toml") },
        BuiltinRecipe {
            name: "mnist-cnn",
            text: include_str!("../../assets/recipes/mnist-cnn.toml"),
        },
        BuiltinRecipe {
            name: "mnist-mlp",
            text: include_str!("../../assets/recipes/mnist-mlp.toml"),
        },
        BuiltinRecipe {
            name: "mnist-mlp-torch",
            text: include_str!("../../assets/recipes/mnist-mlp-torch.toml"),
        },
        BuiltinRecipe {
            name: "cifar10-alexnet",
            text: include_str!("../../assets/recipes/cifar10-alexnet.toml"),
        },
    ]
}
