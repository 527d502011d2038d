package library

import "fmt"

// Row is one published build of libpact_ffi: npm carries it for Pact's library for Node.
type Row struct {
	OS, Arch string
	Musl     bool
	Version  string // of libpact_ffi
	Package  string // on npm, behind @pact-foundation/
	Release  string // of the package
	Inside   string // the library's path in the package
	Archive  string // SHA-512 of the package, as npm writes it
	Content  string // SHA-256 of the library
}

// Table is what [Install] fetches, by platform: builds that export what the pact-go of go.mod calls.
var Table = []Row{
	{
		OS: "linux", Arch: "amd64", Version: "0.5.6",
		Package: "pact-core-linux-x64-glibc", Release: "20.1.0", Inside: "package/prebuilds/linux-x64/libpact_ffi.so",
		Archive: "sha512-S4avgkfvM9fe2dtnAVUw8FRRs4Bjj4YMcrDcoGondf58mQtIAnsNuKVrmBjfz29qGTxb4amopTTlQNW6w8VIew==",
		Content: "85a528c2deb2153ee270e4a2ec333ba3c35920c9ef43360b98cbca4474702684",
	},
	{
		OS: "linux", Arch: "amd64", Musl: true, Version: "0.5.6",
		Package: "pact-core-linux-x64-musl", Release: "20.1.0", Inside: "package/prebuilds/linux-x64/libpact_ffi_musl.so",
		Archive: "sha512-o7qzQ4C4mBYpBCDmtGssGurCTFI/9vuqP1T8VavyeTbyeZThI9j2iWTpeNOmKlrI5+jnaWHYNeuwpqh6FFRurQ==",
		Content: "2052d409ba27d3a16f105ebd5c26ec2e7a576ae901b2b6eddd2edfe82a56278b",
	},
	{
		OS: "linux", Arch: "arm64", Version: "0.5.8",
		Package: "pact-core-linux-arm64-glibc", Release: "20.2.0", Inside: "package/prebuilds/linux-arm64/libpact_ffi.so",
		Archive: "sha512-TrTe+8Q68B08mAvWWITEXkMQDRkLRtu0yJO+E/db5iZK8hubigfFzTJaGamMeu1UbBvUf3LUv0lF/uxc3YY5Eg==",
		Content: "817af07c34b361aeccd7fb4903a702396e4582b3aac98f7cff718eca2457b7e2",
	},
	{
		OS: "linux", Arch: "arm64", Musl: true, Version: "0.5.8",
		Package: "pact-core-linux-arm64-musl", Release: "20.2.0", Inside: "package/prebuilds/linux-arm64/libpact_ffi_musl.so",
		Archive: "sha512-AyhQcZH0QsNUPcBHRAGpbsf0okEk5LiUtTdtOHAratTNLGuImI/EQfFmozcrmC9Zqi3A4MjiYta/SrB1axUKeQ==",
		Content: "89771b46b0e22e4a2e0f320e779ff80f55d9d65e1b5138ef8f71f6bcb7750b9e",
	},
	{
		OS: "darwin", Arch: "arm64", Version: "0.5.8",
		Package: "pact-core-darwin-arm64", Release: "20.2.0", Inside: "package/prebuilds/darwin-arm64/libpact_ffi.dylib",
		Archive: "sha512-oKSS6QCbxNhTV4v/Tpt70zsPU5UN60VsdHR1JvVCjJ1YyxB3INElIYzBeywYPzR1C1An1Sfx1KONCPeFykhfmA==",
		Content: "b4c7de006fb4b8e1afa157054df50c1d3c4ce5b9720dfd496f9acc83a3f89de7",
	},
	{
		OS: "darwin", Arch: "amd64", Version: "0.5.8",
		Package: "pact-core-darwin-x64", Release: "20.2.0", Inside: "package/prebuilds/darwin-x64/libpact_ffi.dylib",
		Archive: "sha512-E1dgxZ+Y1o04Rq1dthHNv1Xwc41TNWpmEWuerrgh9sFMkzPf5KoczKw3brvdSyuHZPXb0uOeDtTU35wPfy8eGw==",
		Content: "02ed60fffce212abd11c98f78d7c746628ffa71ba5399401e3ef538ee879da17",
	},
}

// row returns the build for the place's platform.
func (p Place) row() (Row, bool) {
	table := p.Table
	if table == nil {
		table = Table
	}
	for _, r := range table {
		if r.OS == p.OS && r.Arch == p.Arch && r.Musl == (p.Musl && p.OS == "linux") {
			return r, true
		}
	}
	return Row{}, false
}

// URL returns where a registry of npm has the package.
func (r Row) URL(registry string) string {
	return fmt.Sprintf("%s/@pact-foundation/%s/-/%s-%s.tgz", registry, r.Package, r.Package, r.Release)
}
