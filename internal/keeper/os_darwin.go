package keeper

func subreaper() error { return nil }

const orphansAreOurs = false

func widen(uintptr) {}
