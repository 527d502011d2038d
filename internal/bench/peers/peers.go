//go:build tools

// Package peers pins the tools that the benchmark measures msctl against, in a module of their own.
package peers

import (
	_ "github.com/Shopify/toxiproxy/v2/cmd/server"
	_ "github.com/f1bonacc1/process-compose/src"
)
