package library

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// public is npm's own registry.
const public = "https://registry.npmjs.org"

// Registry returns the registry of npm that this user fetches from: what the environment says, else what
// npm is set to, else the public one.
func Registry(ctx context.Context, getenv func(string) string) string {
	for _, name := range []string{"NPM_CONFIG_REGISTRY", "npm_config_registry"} {
		if r := getenv(name); r != "" {
			return strings.TrimRight(r, "/")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
	if r := strings.TrimSpace(string(out)); err == nil && strings.HasPrefix(r, "http") {
		return strings.TrimRight(r, "/")
	}
	return public
}
