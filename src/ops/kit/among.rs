//! Ops that are made of another op: enums over the types that it can have.

/// Makes an enum over op types, whose serde form names the op and its attributes, with
///
/// - `of(&dyn Op)`: the op as one of them, where it is;
/// - `op()`: the op again, with `reference` for tensors of either precision, which `dyn Op` cannot
///   have.
///
/// A macro, since no function makes the variants of an enum.
macro_rules! ops_among {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident($op:ty),)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "op", content = "attributes", rename_all = "snake_case")]
        $vis enum $name {
            $($(#[$doc])* $variant($op),)+
        }

        impl $name {
            /// The op as one of these, where it is.
            pub fn of(op: &dyn $crate::graph::Op) -> Option<Self> {
                $(if let Some(op) = op.downcast_ref::<$op>() {
                    return Some(Self::$variant(op.clone()));
                })+
                None
            }

            /// The op.
            pub fn op(&self) -> &dyn $crate::graph::Op {
                match self {
                    $(Self::$variant(op) => op,)+
                }
            }

            /// The op's reference.
            pub(in $crate::ops) fn reference<T: $crate::tensor::Real>(&self, io: &mut $crate::graph::HostIo<'_, T>) {
                match self {
                    $(Self::$variant(op) => $crate::graph::OpDef::reference(op, io),)+
                }
            }
        }
    };
}

pub(in crate::ops) use ops_among;
