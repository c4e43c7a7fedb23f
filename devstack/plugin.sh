#!/usr/bin/env bash
# plugin.sh - devstack's hooks: enable_plugin escalator <repository> in local.conf

# shellcheck source=devstack/lib/escalator
source "$ESCALATOR_DIR/devstack/lib/escalator"

ESCALATOR_BIN_DIR=${ESCALATOR_BIN_DIR:-$(get_python_exec_prefix)}

if is_escalator_enabled; then
    case "$1 ${2:-}" in
        "stack install")
            echo_summary "Installing Escalator"
            install_escalator
            ;;
        "stack post-config")
            echo_summary "Configuring Escalator"
            configure_escalator
            configure_escalator_neighbours
            create_escalator_accounts
            init_escalator
            ;;
        "stack extra")
            echo_summary "Starting Escalator"
            start_escalator
            ;;
        "unstack ")
            stop_escalator
            ;;
        "clean ")
            cleanup_escalator
            ;;
    esac
fi
