package instance

import "github.com/spf13/pflag"

// alias lets a flag be given under a second name.
func alias(from, to string) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == from {
			name = to
		}
		return pflag.NormalizedName(name)
	}
}
