//! The recipes inside the binary.

/// A recipe inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltinRecipe {
    /// Name.
    pub name: &'static str,
    /// TOML text.
    pub text: &'static str,
}

/// The recipe of a file in `assets/recipes`: a macro, since `include_str` takes no variable.
macro_rules! recipe {
    ($name:literal) => {
        BuiltinRecipe {
            name: $name,
            text: include_str!(concat!("../../../assets/recipes/", $name, ".toml")),
        }
    };
}

/// All built-in recipes, those of one data set side by side; the first one is the default.
pub const fn builtin_recipes() -> &'static [BuiltinRecipe] {
    &[
        recipe!("digits"),
        recipe!("mnist-cnn"),
        recipe!("mnist-mlp"),
        recipe!("mnist-mlp-torch"),
        recipe!("mnist-mlp-bn"),
        recipe!("mnist-mlp-scratch"),
        recipe!("mnist-mlp-scratch-learned"),
        recipe!("dense-2000"),
        recipe!("dense-2000-tanh"),
        recipe!("mnist-cnn-bn"),
        recipe!("mnist-ensemble"),
        recipe!("mnist-custom"),
        recipe!("mnist-alexnet"),
        recipe!("fashion-mlp"),
        recipe!("fashion-cnn"),
        recipe!("cifar10-alexnet"),
        recipe!("cifar10-custom"),
        recipe!("cifar10-vgg"),
        recipe!("cifar10-resnet20"),
        recipe!("cifar10-resnet18"),
        recipe!("cifar10-mobilenet"),
        recipe!("cifar100-resnet20"),
        recipe!("cifar100-vgg"),
        recipe!("alexnet"),
        recipe!("alexnet-2012"),
    ]
}
