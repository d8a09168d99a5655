"""Captures golden bytes from the PySyncObj and Patroni that this Python imports: see README.md.

    PYTHONPATH=<folder with one pysyncobj version> python capture.py <output folder> [port base]
"""

import atexit
import json
import os
import platform
import shutil
import sys
import tempfile


def main(out, port_base=47610):
    import patroni.version
    import pysyncobj.version

    from capturing import commands, common, determinism, files, messages
    from capturing.cluster import Cluster
    from capturing.recorder import Recorder

    version = pysyncobj.version.VERSION
    clock = determinism.Clock()
    determinism.install(clock, 'quorate ' + version)
    about = {'pysyncobj': version, 'patroni': patroni.version.__version__, 'python': platform.python_version()}
    folder = os.path.join(out, version)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)

    def cluster(password=None, **conf):
        data = tempfile.mkdtemp(prefix='quorate-vectors-')
        atexit.register(shutil.rmtree, data, ignore_errors=True)
        return Cluster(data, port_base, clock, password, **conf)

    write_json(os.path.join(folder, 'commands.json'), dict(about, commands=commands.capture(port_base)))

    on_files = cluster()
    manifest = files.drive(on_files, os.path.join(folder, 'files'))
    write_json(os.path.join(folder, 'files.json'), dict(about, files=manifest))

    recorder = Recorder()
    recorder.install()
    plain = cluster(logCompactionBatchSize=1024)
    messages.drive_plain(plain)
    write_frames(folder, 'plain', about, recorder.choose(per_kind=3, per_connection=4))

    recorder.reset()
    password = 'Paßwort 1'
    sealed = cluster(password=password)
    messages.drive_password(sealed)
    about_sealed = dict(about, password=password)
    write_frames(folder, 'password', about_sealed, recorder.choose(per_kind=0, per_connection=8))

    os.makedirs(os.path.join(out, 'common'), exist_ok=True)
    write_json(os.path.join(out, 'common', 'pickles.json'), dict(about, pickles=common.pickles()))
    write_json(os.path.join(out, 'common', 'must-fail.json'), dict(cases=common.must_fail()))


def write_frames(folder, name, about, records):
    frames = []
    with open(os.path.join(folder, name + '.frames'), 'wb') as out:
        for record in records:
            data = record.pop('bytes')
            frames.append(dict(record, offset=out.tell(), length=len(data)))
            out.write(data)
    write_json(os.path.join(folder, name + '.json'), dict(about, frames=frames))


def write_json(path, value):
    """One line for each element of the one list that the file is about."""
    with open(path, 'w') as out:
        lines = []
        for key, item in value.items():
            if isinstance(item, list):
                inner = ',\n'.join('  ' + json.dumps(element, ensure_ascii=True) for element in item)
                lines.append('%s: [\n%s\n ]' % (json.dumps(key), inner))
            else:
                lines.append('%s: %s' % (json.dumps(key), json.dumps(item)))
        out.write('{\n ' + ',\n '.join(lines) + '\n}\n')


if __name__ == '__main__':
    if os.environ.get('PYTHONHASHSEED') != '0':
        # The order of sets of nodes is part of what is captured.
        os.environ['PYTHONHASHSEED'] = '0'
        os.execv(sys.executable, [sys.executable] + sys.argv)
    main(sys.argv[1], *map(int, sys.argv[2:]))
