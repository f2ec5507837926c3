//! The one place where code is chosen by processor.

/// Defines a function that runs `wide` where the processor has AVX2 and BMI2, and `portable` elsewhere.
///
/// `wide` is either a function of its own with these two target features or, where plain Rust vectorises
/// well, the portable one, which then has to be `#[inline(always)]` with all it calls: it is compiled once
/// more, for wider registers than every x86-64 processor has.
macro_rules! by_processor {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$lifetime:lifetime>)? ($($argument:ident: $type:ty),+ $(,)?)
        $(-> $returned:ty)? { wide: $wide:path, portable: $portable:path }
    ) => {
        $(#[$attribute])*
        $visibility fn $name $(<$lifetime>)? ($($argument: $type),+) $(-> $returned)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi2")]
                fn wide $(<$lifetime>)? ($($argument: $type),+) $(-> $returned)? {
                    $wide($($argument),+)
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
                    // SAFETY: the processor has both features, as was found a line above.
                    return unsafe { wide($($argument),+) };
                }
            }
            $portable($($argument),+)
        }
    };
}

pub(crate) use by_processor;
