# SPDX-License-Identifier: Apache-2.0
"""What a keypoint network looks at: heat maps, descriptors, saliency, codes between codes, maps.

`album.py` holds the pictures, `choosing.py` chooses them from a data set or a recording, `look.py`
asks the network; the others compute one thing each. Nothing here knows of a page or a server.
"""
