package main

import "github.com/spf13/cobra"

func buildImageCommand() *cobra.Command    { return &cobra.Command{Use: "build-image"} }
func postgresImageCommand() *cobra.Command { return &cobra.Command{Use: "postgres-image"} }
