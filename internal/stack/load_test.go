package stack

import (
	"os"
	"path/filepath"
	"testing"
)

// write puts files into a fresh folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const example = `version: 1
name: shop

resources:
  broker:    {type: rabbitmq, embedded: nats}      # what to run
  cache:     {type: redis}
  orders-db: {type: postgres, embedded: sqlite}
  mail:      {type: smtp}

services:
  gateway:
    path: services/gateway
    listen: {http: 8080}
    calls: [users, orders, notifications]
    uses: [cache]
    health: {http: /readyz}
  orders:
    path: services/orders
    listen: {http: auto, grpc: auto}
    calls: {inventory: grpc, payments: grpc}
    uses: [orders-db, broker]
    replicas: 2
  seed:
    job: true
    path: services/seed
    after: [users, catalog]
  push:
    path: services/push
    optional: true
    requires: {python: ">=3.11"}
  users: {path: services/gateway, listen: {http: auto}}
  notifications: {path: services/gateway, listen: {http: auto}}
  catalog: {path: services/gateway, listen: {http: auto}}
  inventory: {path: services/gateway, listen: {grpc: auto}}
  payments:
    path: services/bff
    listen: {grpc: auto}
    env:
      PG_CONN: host=${orders-db.host} port=${orders-db.port} dbname=${orders-db.database} user=${orders-db.user} password=${orders-db.password}
      WEB_PORT: ":${self.grpc.port}"

profiles:
  minimal: [gateway, users, notifications]
`

func exampleDir(t *testing.T) string {
	return write(t, map[string]string{
		"stack.yaml":                example,
		"services/gateway/main.go":  "package main\n",
		"services/orders/main.go":   "// Orders.\npackage main\n",
		"services/seed/main.go":     "package main\n",
		"services/push/main.py":     "",
		"services/bff/package.json": "{}",
	})
}

func TestLoadExample(t *testing.T) {
	st, err := Load(LoadOptions{Dir: filepath.Join(exampleDir(t), "services", "push")})
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range st.Order() {
		t.Log(layer)
	}
	t.Log(st.Edges)
	if got, want := st.Service("orders").Calls[1].Protocol, "grpc"; got != want {
		t.Errorf("protocol is %q, want %q", got, want)
	}
	if got, want := st.Service("push").Language, Python; got != want {
		t.Errorf("language is %q, want %q", got, want)
	}
}
