# Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`.
_oxidis_cli() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
    -s | --cacert | --cacertdir | --cert | --key | --eval | --rdb | --functions-rdb) return 0 ;;
    -h | -p | -t | -u | -a | --pass | --user | -n | --sni | --tls-ciphers | --tls-ciphersuites | -r | -i | -X | -d | -D | --show-pushes | --pipe-timeout | --pattern | --quoted-pattern | --count | --type | --memkeys-samples | --keystats-samples | --cursor | --top | --intrinsic-latency | --lru-test | --cluster | --cluster-weight | --cluster-replicas | --cluster-from | --cluster-to | --cluster-slots | --cluster-timeout | --cluster-pipeline | --cluster-threshold | --cluster-master-id | --cluster-from-user | --cluster-from-pass) compopt +o default; return 0 ;;
    esac
    [[ $current == -* ]] || return 0
    mapfile -t COMPREPLY < <(compgen -W '
        -h
        -p
        -t
        -s
        -u
        -a
        --pass
        --user
        --askpass
        --no-auth-warning
        -n
        -c
        -2
        -3
        -4
        -6
        --tls
        --sni
        --cacert
        --cacertdir
        --insecure
        --cert
        --key
        --tls-ciphers
        --tls-ciphersuites
        -r
        -i
        -x
        -X
        --quoted-input
        -e
        --raw
        --no-raw
        -d
        -D
        --csv
        --json
        --quoted-json
        --show-pushes
        --eval
        --pipe
        --pipe-timeout
        --rdb
        --functions-rdb
        --replica
        --slave
        --scan
        --pattern
        --quoted-pattern
        --count
        --type
        --bigkeys
        --memkeys
        --memkeys-samples
        --keystats
        --keystats-samples
        --cursor
        --top
        --hotkeys
        --stat
        --latency
        --latency-history
        --latency-dist
        --mono
        --intrinsic-latency
        --lru-test
        --cluster
        --cluster-weight
        --verbose
        --help
        -v
        --version
        --cluster-replicas
        --cluster-yes
        --cluster-from
        --cluster-to
        --cluster-slots
        --cluster-timeout
        --cluster-pipeline
        --cluster-replace
        --cluster-copy
        --cluster-threshold
        --cluster-use-empty-masters
        --cluster-simulate
        --cluster-search-multiple-owners
        --cluster-fix-with-unreachable-masters
        --cluster-slave
        --cluster-master-id
        --cluster-only-masters
        --cluster-only-replicas
        --cluster-from-user
        --cluster-from-pass
        --cluster-from-askpass
    ' -- "$current")
}
complete -o default -F _oxidis_cli oxidis-cli
