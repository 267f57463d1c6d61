package xfs

import (
	"testing"

	"holdfast.dev/holdfast/internal/volume/volumetest"
)

func TestMain(m *testing.M) { volumetest.Main(m) }
