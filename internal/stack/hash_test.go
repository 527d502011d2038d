package stack

import (
	"strings"
	"testing"
)

// TestHash: only what a running unit is made of counts, so a reload restarts nothing else (E5).
func TestHash(t *testing.T) {
	const base = `version: 1
resources:
  db: {type: postgres}
services:
  api: {command: api, listen: {http: auto, grpc: auto}}
  web:
    command: web
    listen: {http: 8080}
    calls: {api: http}
    env: {A: "1"}
    replicas: 1
`
	load := func(text string) *Stack {
		return mustLoad(t, LoadOptions{Files: []string{write(t, map[string]string{"go/main.go": "package main", FileName: text}) + "/" + FileName}})
	}
	same := func(t *testing.T, text string) (service, resource bool) {
		dir := write(t, map[string]string{FileName: base})
		a := mustLoad(t, LoadOptions{Dir: dir})
		b := load(text)
		for _, st := range []*Stack{a, b} { // the folder counts too, so take it out
			for _, s := range st.Services {
				s.Dir, s.Source = "", ""
			}
		}
		return a.Service("web").Hash() == b.Service("web").Hash(), a.Resource("db").Hash() == b.Resource("db").Hash()
	}
	tests := []struct {
		name, old, new    string
		service, resource bool
	}{
		{"nothing", "", "", true, true},
		{"a comment and lines", "services:", "# more\n\n\nservices:", true, true},
		{"order of services", "  api: {command: api, listen: {http: auto, grpc: auto}}\n", "", true, true},
		{"replicas", "replicas: 1", "replicas: 2", true, true},
		{"next start", "replicas: 1", "restart: always\n    watch: [a]\n    after: [api]\n    tasks: {a: b}", true, true},
		{"env", `A: "1"`, `A: "2"`, false, true},
		{"port", "8080", "8081", false, true},
		{"command", "command: web", "command: web -v", false, true},
		{"call", "{api: http}", "{api: grpc}", false, true},
		{"grace", "replicas: 1", "stop: {grace: 1s}", false, true},
		{"health", "replicas: 1", "health: {http: /}", false, true},
		{"resource", "postgres", "mysql", true, false},
		{"image", "postgres", "postgres, image: x", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(base, tt.old, tt.new, 1)
			if tt.new == "" && tt.old != "" {
				text += tt.old
			}
			service, resource := same(t, text)
			if service != tt.service || resource != tt.resource {
				t.Errorf("same service %v, resource %v, want %v, %v", service, resource, tt.service, tt.resource)
			}
		})
	}
}
