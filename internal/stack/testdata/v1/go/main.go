// Command go is what the language detection finds.
package main

func main() {}
