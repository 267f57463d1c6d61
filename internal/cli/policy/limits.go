package policy

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
)

// vaultLimits edits what of a recovery point is copied to the vault at most. It is
// this service's own: az has no such command, and other clients leave it alone.
func vaultLimits(c *console.Console) *cobra.Command {
	const key = "holdfastVaultLimits"
	var profile, size, rate string
	var volumes int64
	var set *cobra.Command
	set = editor(c, "set", "Bound what is copied to the vault", func(p object) error {
		limits := object{}
		if profile != "" {
			limits["profile"] = profile
		}
		for flag, text := range map[string]string{"max-volume-size": size, "max-rate": rate} {
			if text == "" {
				continue
			}
			n, err := bytesOf(text)
			if err != nil {
				return console.Usage("--%s %q: write a number of bytes, such as 500Gi, or 0 for no limit", flag, text)
			}
			limits[map[string]string{"max-volume-size": "maxVolumeSizeInBytes", "max-rate": "maxBytesPerSecond"}[flag]] = n
		}
		if set.Flags().Changed("max-volumes") {
			limits["maxVolumes"] = volumes
		}
		if len(limits) == 0 {
			return console.Usage("nothing is bounded: give --profile, --max-volume-size, --max-volumes or --max-rate")
		}
		inner(p)[key] = limits
		return nil
	})
	f := set.Flags()
	f.StringVar(&profile, "profile", "", "Azure (volumes of 1Ti, 100 of them) or Unlimited; the other flags go before it")
	f.StringVar(&size, "max-volume-size", "", "largest volume that is copied, such as 500Gi; 0 is no limit")
	f.Int64Var(&volumes, "max-volumes", 0, "most volumes of one recovery point that are copied; 0 is no limit")
	f.StringVar(&rate, "max-rate", "", "bytes per second of each volume, such as 50Mi; 0 is no limit")
	remove := editor(c, "remove", "Leave to the service what is copied to the vault", func(p object) error {
		delete(inner(p), key)
		return nil
	})
	return console.Noun("vault-limits", "Which volumes are copied to the vault", set, remove)
}

// bytesOf reads a number of bytes with one of the suffixes of Kubernetes.
func bytesOf(text string) (int64, error) {
	number, shift := text, 0
	for i, suffix := range []string{"Ki", "Mi", "Gi", "Ti", "Pi"} {
		if before, ok := strings.CutSuffix(text, suffix); ok {
			number, shift = before, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(number, 10, 63-shift)
	return int64(n) << shift, err
}
