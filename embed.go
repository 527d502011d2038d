// Package msctl holds the files that msctl hands out: the templates of `msctl new`, and the reference
// fleet's kit, which the Go templates write into a stack as it stands here.
package msctl

import "embed"

// Files has templates/ and services/kit/.
//
//go:embed all:templates all:services/kit
var Files embed.FS
