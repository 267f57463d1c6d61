package ext4

import (
	"testing"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

func TestMain(m *testing.M) { volumetest.Main(m) }
