// Package proto holds the gRPC contracts of the fleet, and the Go code that buf makes of them. buf and
// its plugins have a module file of their own, tools.mod, so that they are no dependency of the
// services.
package proto

//go:generate go tool -modfile=tools.mod buf lint
//go:generate go tool -modfile=tools.mod buf generate
