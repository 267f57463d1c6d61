package ext4

// Features, by the name mke2fs gives them.
const (
	compatHasJournal   = 0x4
	compatSparseSuper2 = 0x200
	compatFastCommit   = 0x400

	incompatFiletype   = 0x2
	incompatRecover    = 0x4
	incompatMetaBG     = 0x10
	incompatExtents    = 0x40
	incompat64Bit      = 0x80
	incompatMMP        = 0x100
	incompatFlexBG     = 0x200
	incompatEAInode    = 0x400
	incompatCsumSeed   = 0x2000
	incompatLargeDir   = 0x4000
	incompatInlineData = 0x8000
	incompatEncrypt    = 0x10000
	incompatCasefold   = 0x20000

	roSparseSuper  = 0x1
	roLargeFile    = 0x2
	roBtreeDir     = 0x4
	roHugeFile     = 0x8
	roGDTCsum      = 0x10
	roDirNlink     = 0x20
	roExtraIsize   = 0x40
	roQuota        = 0x100
	roBigalloc     = 0x200
	roMetadataCsum = 0x400
	roReadonly     = 0x1000
	roProject      = 0x2000
	roVerity       = 0x8000
	roOrphans      = 0x10000

	knownIncompat = incompatFiletype | incompatRecover | incompatMetaBG | incompatExtents | incompat64Bit | incompatMMP |
		incompatFlexBG | incompatEAInode | incompatCsumSeed | incompatLargeDir | incompatInlineData | incompatEncrypt | incompatCasefold
	knownRO = roSparseSuper | roLargeFile | roBtreeDir | roHugeFile | roGDTCsum | roDirNlink | roExtraIsize | roQuota |
		roBigalloc | roMetadataCsum | roReadonly | roProject | roVerity | roOrphans

	stateValid = 0x1 // unmounted cleanly; says nothing where there is a journal
	stateError = 0x2
)
